import { availableParallelism } from 'node:os';
import { hash, parseOptions, verify } from '@node-rs/argon2';
import { openWorkGate } from './work-gate.ts';

/** argon2id with the smaller memory of the OWASP password storage cheat sheet: 19 MiB, 2 passes, 1 lane. */
const PARAMETERS = { algorithm: 2, memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const;

/**
 * Checked when there is no hash to check, so that an unknown address costs as much as a wrong password. Made with
 * PARAMETERS from random bytes that were thrown away; make a new one whenever PARAMETERS change.
 */
const NOBODYS_HASH =
  '$argon2id$v=19$m=19456,t=2,p=1$yuffsexK2orI9gmB9ts9wg$EYNm3BRc7/X70HsdSKzNvWUcPioR3NA+QpbuHjLRMfk';

/** libuv works on four at a time; a few more keep it busy. Fewer than the wrong passwords an account may have, see below. */
const MOST_RUNNING = 8;

/**
 * One gate for the whole process, because the cores are what it protects: hashing is the dearest thing a stranger can ask
 * for, and without a bound a few hundred sign-ins at once would starve every other request.
 */
const passGate = openWorkGate({ running: Math.min(2 * availableParallelism(), MOST_RUNNING), waiting: 64 });

/** The hash to store, in PHC format. Throws 429 when too much hashing is under way. */
export async function hashPassword(password: string): Promise<string> {
  return passGate(() => hash(normalize(password), PARAMETERS));
}

/**
 * Whether the password is right; false, at the same cost, without a hash. Throws 429 when too much is under way.
 * `takeTry` is awaited when the turn has come: what it throws saves the hashing. It counts tries before their outcome is
 * known, and counting them any earlier would let a burst of right passwords use up an account's wrong ones.
 */
export async function verifyPassword(
  storedHash: string | null,
  password: string,
  takeTry: () => Promise<void> = async () => undefined,
): Promise<boolean> {
  const isMatch = await passGate(async () => {
    await takeTry();
    return verify(storedHash ?? NOBODYS_HASH, normalize(password));
  });
  return isMatch && storedHash !== null;
}

/** Whether these are one password, however each was typed. */
export function isSamePassword(one: string, other: string): boolean {
  return normalize(one) === normalize(other);
}

/** True for a hash made with less work than we ask for today: the next right password replaces it. */
export function isHashOutdated(storedHash: string): boolean {
  const used = parseOptions(storedHash);
  return (
    used.algorithm !== PARAMETERS.algorithm ||
    used.memoryCost < PARAMETERS.memoryCost ||
    used.timeCost < PARAMETERS.timeCost
  );
}

/** One password typed on two keyboards is one password. */
function normalize(password: string): string {
  return password.normalize('NFC');
}
