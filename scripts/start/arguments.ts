import { parseArgs } from 'node:util';
import { SetupError } from '../services/failure.ts';

const USAGE = `Usage: npm start [-- options]

Starts PostgreSQL, Redis, the API, the worker and the web app, and on an empty database makes a demo workspace and runs its workflow.

Options:
  --empty     no demo
  --demo-idp  a sign-in provider for trying out OAuth: it asks for an address and believes it
  --help      this text

Settings are environment variables, also read from a file .env in the clone: see .env.example.`;

export interface Arguments {
  isEmpty: boolean;
  hasDemoIdp: boolean;
  help: string | undefined;
}

/** What the command line asks for. Throws SetupError, with the usage, on anything unknown. */
export function parseArguments(args: string[]): Arguments {
  const options = {
    empty: { type: 'boolean' },
    'demo-idp': { type: 'boolean' },
    help: { type: 'boolean', short: 'h' },
  } as const;
  try {
    const { values } = parseArgs({ args, options, allowPositionals: false });
    return {
      isEmpty: values.empty === true,
      hasDemoIdp: values['demo-idp'] === true,
      help: values.help ? USAGE : undefined,
    };
  } catch (error) {
    const sentence = error instanceof Error ? error.message.split('. ')[0] : String(error);
    throw new SetupError(`${sentence}.\n\n${USAGE}`);
  }
}
