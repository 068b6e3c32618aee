import { parseArgs } from 'node:util';
import { SetupError } from '../services/failure.ts';

const USAGE = `Usage: npm run limits -- --org <slug> [options]

Shows the limits of runs that an organization has, after changing those that are given.

Options:
  --org <slug>      the organization
  --concurrent <n>  so many runs at work at a time, or "none"
  --queued <n>      so many queued runs, or "none" for the default (ORG_MAX_QUEUED_RUNS)
  --weight <n>      its share where organizations wait for the same workers, 1 to 100; all others have 1
  --help            this text

The database is DATABASE_URL, also read from a file .env in the clone, or the one that npm start is running.`;

/** Absent: left as it is. Null: none of its own. */
export interface LimitChanges {
  maxConcurrentRuns?: number | null;
  maxQueuedRuns?: number | null;
  weight?: number;
}

export interface LimitArguments {
  slug: string;
  changes: LimitChanges;
  help: string | undefined;
}

/** What the command line asks for. Throws SetupError, with the usage, on anything unknown. */
export function parseLimitArguments(args: string[]): LimitArguments {
  const text = { type: 'string' } as const;
  const options = { org: text, concurrent: text, queued: text, weight: text, help: { type: 'boolean' } } as const;
  const values = read(() => parseArgs({ args, options, allowPositionals: false }).values);
  if (!values.org && !values.help) throw new SetupError(`--org is missing.\n\n${USAGE}`);
  const changes: LimitChanges = {
    ...(values.concurrent !== undefined && { maxConcurrentRuns: readLimit('--concurrent', values.concurrent) }),
    ...(values.queued !== undefined && { maxQueuedRuns: readLimit('--queued', values.queued) }),
    ...(values.weight !== undefined && { weight: readNumber('--weight', values.weight, 100) }),
  };
  return { slug: values.org ?? '', changes, help: values.help ? USAGE : undefined };
}

function read<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    const sentence = error instanceof Error ? error.message.split('. ')[0] : String(error);
    throw new SetupError(`${sentence}.\n\n${USAGE}`);
  }
}

function readLimit(name: string, value: string): number | null {
  return value === 'none' ? null : readNumber(name, value, 10_000_000);
}

function readNumber(name: string, value: string, most: number): number {
  const number = /^\d{1,8}$/.test(value) ? Number(value) : 0;
  if (number < 1 || number > most)
    throw new SetupError(`${name} must be a whole number from 1 to ${most}.\n\n${USAGE}`);
  return number;
}
