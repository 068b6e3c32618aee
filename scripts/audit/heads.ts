import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import type { AuditPoint } from '../../packages/db/src/audit-verify.ts';
import { SetupError } from '../services/failure.ts';

/** Where the chain of each organization ended, by its id. */
export type Heads = Map<string, AuditPoint>;

/** The heads noted in the file; none when there is no such file yet. Throws SetupError for any other content. */
export function readHeads(file: string): Heads {
  if (!existsSync(file)) return new Map();
  const lines = readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '');
  return new Map(lines.map((line) => parseLine(line, file)));
}

/** Written whole or not at all: a check that is interrupted leaves what was noted before. */
export function writeHeads(file: string, heads: Heads): void {
  const lines = [...heads].map(([orgId, { seq, hash }]) => `${orgId} ${seq} ${hash.toString('hex')}\n`);
  const partial = `${file}.${process.pid}`;
  writeFileSync(partial, lines.sort().join(''), { mode: 0o600, flush: true });
  renameSync(partial, file);
}

function parseLine(line: string, file: string): [string, AuditPoint] {
  const [, orgId, seq, hash] = /^([0-9a-f-]{36}) ([1-9]\d*) ([0-9a-f]{64})$/.exec(line) ?? [];
  if (!orgId || !seq || !hash) throw new SetupError(`${file} does not hold heads noted by this command: ${line}`);
  return [orgId, { seq: Number(seq), hash: Buffer.from(hash, 'hex') }];
}
