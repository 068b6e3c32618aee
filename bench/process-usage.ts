import { readdirSync, readFileSync } from 'node:fs';
import { livingProcesses } from '../scripts/services/managed-process.ts';

export interface Usage {
  name: string;
  cpuMs: number;
  /** Anonymous memory: what is its own. */
  ownMib: number;
  /** Resident memory, the pages of Node's own program that all its processes share included: what `ps` shows. */
  rssMib: number;
  /** The most that one of its processes has beyond its own: pages of program files. */
  sharedMib: number;
}

/** What processes that run the same program take together: what is their own, and the pages they share once. */
export function togetherMib(parts: Usage[]): number {
  return parts.reduce((sum, { ownMib }) => sum + ownMib, 0) + Math.max(...parts.map(({ sharedMib }) => sharedMib), 0);
}

/** Clock ticks per second of /proc/<pid>/stat: 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

interface Part {
  name: string;
  pid: number;
}

/**
 * CPU time and memory of each part of the platform, and of the `others`, with all their child processes; from /proc, empty
 * where there is none.
 */
export function measureParts(others: Part[] = []): Usage[] {
  const processes = readProcesses();
  return [...livingProcesses(), ...others].map(({ name, pid }) => {
    const family = processes.filter((process) => isInFamily(process.pid, pid, processes));
    const sum = (pick: (process: ProcessStat) => number) => family.reduce((total, one) => total + pick(one), 0);
    return {
      name,
      cpuMs: (sum((process) => process.ticks) * 1000) / TICKS_PER_SECOND,
      ownMib: sum((process) => process.ownMib),
      rssMib: sum((process) => process.rssMib),
      sharedMib: Math.max(...family.map((process) => process.rssMib - process.ownMib), 0),
    };
  });
}

interface ProcessStat {
  pid: number;
  parent: number;
  ticks: number;
  ownMib: number;
  rssMib: number;
}

function readProcesses(): ProcessStat[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .flatMap((entry) => {
      try {
        return [readProcess(Number(entry))];
      } catch {
        return []; // it ended while we were reading
      }
    });
}

/** Fields by number as in proc_pid_stat(5); the name in parentheses may hold spaces, so reading starts behind it. */
function readProcess(pid: number): ProcessStat {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  // User and system time, of its own and of children that ended: PostgreSQL's auxiliary processes come and go.
  const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
  const mib = (field: string) => Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0) / 1024;
  return { pid, parent: Number(fields[1]), ticks, ownMib: mib('RssAnon'), rssMib: mib('VmRSS') };
}

function isInFamily(pid: number, root: number, processes: ProcessStat[]): boolean {
  for (let at = pid; at > 1; at = processes.find((process) => process.pid === at)?.parent ?? 0)
    if (at === root) return true;
  return false;
}
