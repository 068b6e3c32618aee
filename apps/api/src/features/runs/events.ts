import { Readable } from 'node:stream';
import { type RunEvents, type RunProgress, type RunRef, readRunEvents } from '@millrace/db/run-events';
import { withOrg } from '@millrace/db/tenant';
import { streamRunEvents as contract } from '@millrace/shared/contracts/runs';
import { AppError } from '@millrace/shared/errors';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { OrgContext } from '../../context.ts';
import { authenticateMember } from '../../http/authenticate.ts';
import { badHeader } from '../../http/errors.ts';
import type { Http } from '../../http/route.ts';
import { findRun } from './queries.ts';

/** So often it is asked whether the reader may still read. */
const RECHECK_MS = 3_000;
/** A reader that takes nothing for so long is gone, or too slow to follow. */
const STALLED_MS = 10_000;
/** What has to end but cannot say so to its reader in this time is cut off. */
const FAREWELL_MS = 1_000;
/** Records read at a time: with what the sockets hold, all that a slow reader can make this process keep. */
const PORTION = 20;

/**
 * The timeline of a run as Server-Sent Events: all that happened, then what happens until the run ends. An event's id is
 * `<record>.<place in it>`, so `Last-Event-ID` goes on exactly behind it, on any instance. The last event is called `end` and
 * has no id. Ends early when the reader may read no more (their token's life included), or does not keep up.
 */
export async function streamRunEvents(
  context: OrgContext,
  { workflowId, runId }: { workflowId: string; runId: string },
  { request, reply }: Http,
): Promise<FastifyReply> {
  const { deps, orgId, userId } = context;
  const from = readLastEventId(request);
  const run = await withOrg(deps.db, orgId, (tx) => findRun(tx, workflowId, runId));
  reply.headers({ 'cache-control': 'no-cache, no-transform', 'x-accel-buffering': 'no', connection: 'close' });
  reply.type('text/event-stream; charset=utf-8');
  if (request.method === 'HEAD') return reply.send('');
  const closing = new AbortController();
  const leave = deps.runWatches.admit(userId, () => closing.abort());
  const progress = { eventCount: run.eventCount, hasEnded: run.finishedAt !== null };
  const stream = Readable.from(dropStalled(follow(context, { orgId, runId, from, progress }, closing.signal), closing));
  closing.signal.addEventListener('abort', () => {
    const cutOff = setTimeout(() => reply.raw.destroy(), FAREWELL_MS);
    stream.once('close', () => clearTimeout(cutOff));
  });
  reply.raw.once('close', () => closing.abort());
  stream.once('close', () => {
    leave();
    closing.abort();
  });
  keepChecking(context, { request, reply }, closing);
  return reply.send(stream);
}

/** What was delivered last: a record, up to an entry of it. Infinity: all its entries. */
interface Position {
  number: number;
  index: number;
}

const BEGINNING: Position = { number: 0, index: Number.POSITIVE_INFINITY };

/** Throws 400 for an id that is none of ours. */
function readLastEventId({ headers }: FastifyRequest): Position {
  const id = headers['last-event-id'];
  if (id === undefined || id === '') return BEGINNING;
  const [, number, index] = /^(\d{1,9})\.(\d{1,9})$/.exec(String(id)) ?? [];
  if (number === undefined) throw badHeader('Last-Event-ID', 'must be the id of an event, such as 3.0');
  return { number: Number(number), index: Number(index) };
}

/** The events as text, in portions; comments while there are none. */
async function* follow(
  { deps }: OrgContext,
  { from, progress: first, ...run }: RunRef & { from: Position; progress: RunProgress },
  signal: AbortSignal,
): AsyncGenerator<string> {
  let position = from;
  let progress: RunProgress | null = first;
  yield 'retry: 1000\n\n';
  while (!signal.aborted) {
    for (;;) {
      const next = position.index === Number.POSITIVE_INFINITY ? position.number + 1 : position.number;
      if (progress === null || next > progress.eventCount) break;
      const records = await readRunEvents(deps.db, run, { from: next, limit: PORTION });
      const text = records.map((record) => print(record, position)).join('');
      if (text !== '') yield text;
      position = { number: records.at(-1)?.number ?? progress.eventCount, index: Number.POSITIVE_INFINITY };
    }
    if (progress?.hasEnded) {
      yield 'event: end\ndata: {}\n\n';
      return;
    }
    progress = await deps.runWatches.next(run, position.number, signal);
    if (progress === null && !signal.aborted) yield ': nothing new\n\n';
  }
}

/** The entries of a record behind a position. Data is one line: JSON has no line break outside of its escapes. */
function print({ number, at, entries }: RunEvents, position: Position): string {
  const first = number === position.number ? position.index + 1 : 0;
  return entries
    .map((entry, index) => ({ index, data: JSON.stringify({ ...entry, at: at.toISOString() }) }))
    .filter(({ index }) => index >= first)
    .map(({ index, data }) => `id: ${number}.${index}\ndata: ${data}\n\n`)
    .join('');
}

/** Passes on what is taken in time; a reader that stalls loses the stream. */
async function* dropStalled(texts: AsyncGenerator<string>, closing: AbortController): AsyncGenerator<string> {
  for await (const text of texts) {
    const stalled = setTimeout(() => closing.abort(), STALLED_MS);
    try {
      yield text;
    } finally {
      clearTimeout(stalled);
    }
  }
}

/** Ends the stream when the request that opened it would be refused by now. While that cannot be known there is no news either. */
function keepChecking(context: OrgContext, { request, reply }: Http, closing: AbortController): void {
  const check = async () => {
    try {
      await authenticateMember(context, request, reply, contract);
    } catch (error) {
      if (error instanceof AppError) closing.abort();
    }
    if (!closing.signal.aborted) timer = setTimeout(check, RECHECK_MS);
  };
  let timer = setTimeout(check, RECHECK_MS);
  closing.signal.addEventListener('abort', () => clearTimeout(timer), { once: true });
}
