import type { Host } from '../services/host.ts';
import type { Progress } from './progress.ts';
import type { Supervisor } from './supervisor.ts';

/** What every stage of a start works with. */
export interface StartContext {
  cloneDir: string;
  host: Host;
  env: NodeJS.ProcessEnv;
  progress: Progress;
  supervisor: Supervisor;
  isEmpty: boolean;
  hasDemoIdp: boolean;
}
