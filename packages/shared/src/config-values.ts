import { z } from 'zod';

/** What a variable of the environment may hold, each with a message that says so. */

export const wholeNumber = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d+$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.number().min(min, `must be at least ${min}`).max(max, `must be at most ${max}`));
export const Port = wholeNumber(0, 65_535); // 0: any free port, for tests
export const onOff = z.enum(['on', 'off']).transform((value) => value === 'on');
export const url = (protocol: RegExp, what: string) =>
  z.string({ error: `is required: ${what}` }).refine((value) => {
    const parsed = URL.canParse(value) ? new URL(value) : undefined;
    return parsed !== undefined && protocol.test(parsed.protocol);
  }, `must be ${what}`);
export const PostgresUrl = url(/^postgres(ql)?:$/, 'a URL like postgres://user:password@host:5432/database');
export const HttpUrl = url(/^https?:$/, 'the address people open, like https://millrace.example.com');
/** The code is added to it, and the provider compares it byte for byte. */
export const RedirectUri = HttpUrl.refine((value) => !/[?#]/.test(value), 'must have no query and no fragment');
export const OtelUrl = url(/^https?:$/, 'the address of a collector, like http://127.0.0.1:4318');
export const SecretText = z
  .string({ error: 'is required: at least 32 random bytes' })
  .refine((value) => Buffer.byteLength(value) >= 32, 'must be at least 32 bytes');
export const RedisUrl = url(/^rediss?:$/, 'a URL like redis://:password@host:6379');
