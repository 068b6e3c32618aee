import { findDatabase } from '../services/find-database.ts';
import { parseVerifyArguments } from './arguments.ts';
import { withOwner } from './database.ts';
import { readHeads, writeHeads } from './heads.ts';
import { verifyOrganizations } from './verify.ts';

interface Command {
  args: string[];
  cloneDir: string;
  env: NodeJS.ProcessEnv;
  say: (line: string) => void;
}

/** Answers the exit code: 0 when every chain is whole, 1 when one is broken or gone. Throws SetupError when it cannot tell. */
export async function runAuditVerify({ args, cloneDir, env, say }: Command): Promise<0 | 1> {
  const { orgId, headsFile, help } = parseVerifyArguments(args);
  if (help !== undefined) {
    say(help);
    return 0;
  }
  const url = findDatabase(cloneDir, env);
  const noted = headsFile === undefined ? new Map() : readHeads(headsFile);
  const { brokenCount, heads } = await withOwner(url, (db) => verifyOrganizations({ db, noted, say }, orgId));
  if (brokenCount > 0) return 1; // what was noted before is evidence now, so it stays
  if (headsFile !== undefined) writeHeads(headsFile, orgId === undefined ? heads : new Map([...noted, ...heads]));
  return 0;
}
