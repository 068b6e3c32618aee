import { type DestinationStream, type Logger, pino } from 'pino';

/**
 * Field names whose values never reach a log line, at the top and one and two levels down. Events carry ids only,
 * so this is the second line of defence, not the first.
 */
const SECRET_FIELDS = [
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
];
const SECRET_PATHS = SECRET_FIELDS.flatMap((field) => [`["${field}"]`, `*["${field}"]`, `*.*["${field}"]`]);

/** A JSON logger for one program: ISO times, level names, secrets replaced by `[redacted]`. Writes to standard output. */
export function createLog(program: string, level: string, destination?: DestinationStream): Logger {
  const options = {
    level,
    base: { program },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: { paths: SECRET_PATHS, censor: '[redacted]' },
  };
  return destination ? pino(options, destination) : pino(options);
}
