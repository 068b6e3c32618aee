import type { ExpressionResult } from '@millrace/workflow/expression';
import type { Child } from './child.ts';

/** A request on its way. */
export type Job = {
  path: string;
  message: { request: string; bindings: string };
  isSecondTry: boolean;
  askedAt: number;
  resolve(result: ExpressionResult): void;
  reject(reason: unknown): void;
};
/** A child with the request that it works on. */
export type Seat = {
  child: Child;
  isReady: boolean;
  job: Job | null;
  /** When it was given its last request. */
  busySince: number;
  timer: NodeJS.Timeout | undefined;
  idleTimer: NodeJS.Timeout | undefined;
};
export type Pool = {
  size: number;
  deadlineMs: number;
  idleMs: number;
  growth: NodeJS.Timeout | undefined;
  /** When the newest child had started: what gathered before that says nothing about its speed. */
  readyAt: number;
  queue: Job[];
  seats: Set<Seat>;
  closing: { promise: Promise<void>; resolve(): void } | null;
};
