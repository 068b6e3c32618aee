import { type ChildProcess, fork } from 'node:child_process';
import { Socket } from 'node:net';
import { CHILD_PROGRAM, childFlags } from './child-flags.ts';

export type ChildEvents = {
  /** The child has loaded and can take its first request. */
  onReady(): void;
  onAnswer(text: string): void;
  /** Called once, however the child ended; `signal` is null when it exited by itself. `report` is the end of its stderr. */
  onExit(signal: NodeJS.Signals | null, report: string): void;
};

export type Child = {
  send(message: { request: string; bindings: string }): void;
  /** While held, the child keeps this process alive. It starts held. */
  hold(isHeld: boolean): void;
  kill(): void;
};

/** Starts one evaluation child: no environment, no files but its own, a small heap, nothing inherited but the channel. */
export function startChild(events: ChildEvents): Child {
  const child = fork(CHILD_PROGRAM, [], {
    execArgv: childFlags(),
    env: {},
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  const report = collectEnd(child);
  let hasEnded = false;
  const end = (signal: NodeJS.Signals | null) => {
    if (hasEnded) return;
    hasEnded = true;
    events.onExit(signal, report());
  };
  child.on('message', (message) => (message === 'ready' ? events.onReady() : events.onAnswer(String(message))));
  child.on('exit', (_code, signal) => end(signal));
  // Either it could not be started, which has no exit event, or the channel broke: then it is of no use any more.
  child.on('error', () => {
    child.kill('SIGKILL');
    if (child.pid === undefined) end(null);
  });
  return {
    send: (message) => child.send(message, () => {}),
    hold: (isHeld) => hold(child, isHeld),
    kill: () => child.kill('SIGKILL'),
  };
}

const REPORT_CHARACTERS = 2000;

function collectEnd(child: ChildProcess): () => string {
  let text = '';
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    text = `${text}${chunk}`.slice(-REPORT_CHARACTERS);
  });
  return () => text;
}

function hold(child: ChildProcess, isHeld: boolean): void {
  const pipe = child.stderr instanceof Socket ? child.stderr : null;
  for (const handle of [child, child.channel, pipe]) {
    if (isHeld) handle?.ref();
    else handle?.unref();
  }
}
