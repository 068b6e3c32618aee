import { parseArgs } from 'node:util';
import { SetupError } from '../services/failure.ts';

const USAGE = `Usage: npm run audit:verify [-- options]

Reads the audit log of every organization and checks that each entry is what was once written: none altered, removed,
inserted, swapped, and none cut off the end. Changes nothing.

Options:
  --org <id>      only this organization
  --heads <file>  also compare with the ends of the chains noted in this file by an earlier check, then note the present
                  ones there. Keep the file where whoever may write the database cannot: only it shows that a whole
                  chain was written anew, or that an organization is gone without a trace.
  --help          this text

The database is DATABASE_URL, also read from a file .env in the clone, or the one that npm start is running.
Exit code: 0 every chain is whole, 1 a chain is broken or gone without a fitting tombstone, 2 it could not be checked.`;

export interface VerifyArguments {
  orgId: string | undefined;
  headsFile: string | undefined;
  help: string | undefined;
}

/** What the command line asks for. Throws SetupError, with the usage, on anything unknown. */
export function parseVerifyArguments(args: string[]): VerifyArguments {
  const options = {
    org: { type: 'string' },
    heads: { type: 'string' },
    help: { type: 'boolean', short: 'h' },
  } as const;
  try {
    const { values } = parseArgs({ args, options, allowPositionals: false });
    return { orgId: values.org?.toLowerCase(), headsFile: values.heads, help: values.help ? USAGE : undefined };
  } catch (error) {
    const sentence = error instanceof Error ? error.message.split('. ')[0] : String(error);
    throw new SetupError(`${sentence}.\n\n${USAGE}`);
  }
}
