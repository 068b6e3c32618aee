import { ActionError } from './sdk.ts';

/**
 * What went wrong between us and `host`, as an ActionError: NETWORK and TIMEOUT may work later, TLS_CERTIFICATE needs a
 * person. An error that does not come from the network (a defect of ours) is returned as it is.
 */
export function toActionError(error: unknown, host: string): unknown {
  if (error instanceof ActionError || !(error instanceof Error)) return error;
  const code = codeOf(error);
  if (code === undefined) return error;
  if (code === 'UND_ERR_CONNECT_TIMEOUT' || (code === 'ETIMEDOUT' && !isEstablished(error))) {
    return new ActionError('TIMEOUT', `${host} did not accept a connection in time.`, { retryable: true });
  }
  if (code === 'UND_ERR_HEADERS_OVERFLOW') {
    return new ActionError('RESPONSE_TOO_LARGE', `The headers of the answer from ${host} are too large.`);
  }
  if (CERTIFICATE_CODE.test(code)) {
    return new ActionError('TLS_CERTIFICATE', `The certificate of ${host} is not trusted (${code}).`);
  }
  const problem = networkProblem(isEstablished(error) ? 'broken' : code, host);
  return new ActionError('NETWORK', `${problem} (${code}).`, { retryable: true });
}

/** The system has the same codes for a connection that could not be made and for one that broke later. */
function isEstablished(error: Error): boolean {
  if ('syscall' in error) return error.syscall === 'read' || error.syscall === 'write';
  return error.cause instanceof Error && isEstablished(error.cause);
}

/** OpenSSL's verification results as Node names them. */
const CERTIFICATE_CODE = /CERT|^UNABLE_TO_|^HOSTNAME_MISMATCH$|^INVALID_PURPOSE$/;

function codeOf(error: Error): string | undefined {
  if ('code' in error && typeof error.code === 'string') return error.code;
  return error.cause instanceof Error ? codeOf(error.cause) : undefined;
}

function networkProblem(code: string, host: string): string {
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return `The host name ${host} could not be found`;
  if (code === 'ECONNREFUSED') return `Nothing accepts connections at ${host}`;
  if (code === 'EHOSTUNREACH' || code === 'ENETUNREACH') return `There is no route to ${host}`;
  return `The connection to ${host} broke before the whole answer arrived`;
}
