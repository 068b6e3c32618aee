import { type DestinationStream, type Logger, destination as openDestination, pino } from 'pino';

/**
 * Field names whose values never reach a log line, at the top and one and two levels down. Events carry ids only,
 * so this is the second line of defence, not the first.
 */
const SECRET_FIELDS = new Set([
  'authorization',
  'cookie',
  'set-cookie',
  'password',
  'passwordHash',
  'token',
  'accessToken',
  'refreshToken',
  'secret',
  'clientSecret',
  'apiKey',
]);
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const;
const REDACTED = '[redacted]';
const LEVELS_BELOW = 2;

/**
 * A JSON logger for one program: ISO times, level names, secrets replaced by `[redacted]`. Writes to standard output. A level that
 * there is not counts as `info`, so that whoever reads the settings can say in the log what is wrong with it.
 */
export function createLog(program: string, level: string | undefined, destination = standardOutput()): Logger {
  const hide = (fields: object) => withoutSecrets(fields, LEVELS_BELOW) as Record<string, unknown>;
  const redact = () => REDACTED;
  const options = {
    level: LOG_LEVELS.find((known) => known === level) ?? 'info',
    base: { program },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }), log: hide },
    // What a child logger carries passes no formatter.
    serializers: Object.fromEntries([...SECRET_FIELDS].map((field) => [field, redact])),
  };
  return pino(options, destination);
}

/** The value itself unless it holds a secret. Pino's own way of redacting costs as much as all the rest of a line. */
function withoutSecrets(value: object, levelsBelow: number): object {
  let copy: Record<string, unknown> | undefined;
  for (const [key, held] of Object.entries(value)) {
    const isSecret = SECRET_FIELDS.has(key);
    if (!isSecret && (levelsBelow === 0 || typeof held !== 'object' || held === null)) continue;
    const shown = isSecret ? REDACTED : withoutSecrets(held, levelsBelow - 1);
    if (shown === held) continue;
    copy ??= (Array.isArray(value) ? [...value] : { ...value }) as Record<string, unknown>;
    copy[key] = shown;
  }
  return copy ?? value;
}

/**
 * Lines of one turn of the event loop leave in one write: a batched answer of the database ends dozens of runs at once. A
 * process that is killed takes with it what it said in its very last turn; one that exits says everything.
 */
function standardOutput(): DestinationStream {
  const out = openDestination({ dest: 1, sync: true });
  let lines = '';
  const flush = () => {
    const text = lines;
    lines = '';
    if (text !== '') out.write(text);
  };
  process.once('exit', flush);
  return {
    write(line) {
      if (lines === '') setImmediate(flush);
      lines += line;
    },
  };
}
