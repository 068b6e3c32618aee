/**
 * Traces of requests and runs: one trace from a request through the queue to each attempt of a step. This file knows
 * nothing of OpenTelemetry, which is loaded only where a collector is set (open-tracing.ts).
 */
import { z } from 'zod';

/** W3C trace context, version 00: what one process hands to the next so that both tell of one trace. */
export const Traceparent = z.string().regex(/^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/);

/** Ids, fixed words and numbers. Never values, addresses or secrets: traces leave the platform. */
type Attributes = Record<string, string | number>;

interface NewSpan {
  name: string;
  kind: 'server' | 'consumer';
  attributes: Attributes;
  /** Continues that trace; without it a new one begins. */
  parent?: string | undefined;
  /** Points to another trace without joining it. */
  link?: string | undefined;
}

export interface Span {
  /** For whoever goes on with this trace; undefined while traces are off. */
  readonly traceparent: string | undefined;
  /** Adds a span below this one that took `durationMs` and has just ended. */
  addPast(span: { name: string; durationMs: number; attributes: Attributes; isError: boolean }): void;
  note(attributes: Attributes): void;
  markFailed(): void;
  end(): void;
}

export interface Tracing {
  startSpan(span: NewSpan): Span;
  /** Sends what is left, for at most a few seconds. Never throws. */
  close(): Promise<void>;
}

const NO_SPAN: Span = { traceparent: undefined, addPast() {}, note() {}, markFailed() {}, end() {} };
export const NO_TRACING: Tracing = { startSpan: () => NO_SPAN, async close() {} };
