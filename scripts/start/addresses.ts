import { SetupError } from '../services/failure.ts';
import { findFreePort, isPortFree } from '../services/ports.ts';

export interface Address {
  host: string;
  port: number;
  url: string;
}

interface Wanted {
  /** Of the variable that names the port, such as API_PORT. */
  variable: string;
  host: string | undefined;
  port: string | undefined;
  preferredPort: number;
}

/** A port that was asked for is used or refused; only the default gives way. */
export async function chooseAddress({ variable, host = '127.0.0.1', port, preferredPort }: Wanted): Promise<Address> {
  const asked = port ? Number(port) : undefined;
  if (asked !== undefined && !(asked >= 0 && asked <= 65_535 && Number.isInteger(asked))) {
    throw new SetupError(`${variable} must be a port number, not "${port}".`);
  }
  if (asked !== undefined && !(await isPortFree(asked, host))) {
    throw new SetupError(`Something else listens on port ${asked} (${variable}) of ${host}, or it cannot be used.`);
  }
  const chosen = asked || (await findFreePort(preferredPort));
  const reachable = { '0.0.0.0': '127.0.0.1', '::': '[::1]' }[host] ?? host;
  return { host, port: chosen, url: `http://${reachable}:${chosen}` };
}
