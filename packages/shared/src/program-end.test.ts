import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, expect, it } from 'vitest';

let child: ChildProcess | undefined;
afterEach(() => child?.kill('SIGKILL'));

/** A program that says `ready`, and `ending` when it begins to end by `end`. */
async function start(end: string) {
  const source = `
    import { createLog } from '${import.meta.resolve('./log.ts')}';
    import { endOnSignal } from '${import.meta.resolve('./program-end.ts')}';
    const end = async () => { console.log('ending'); ${end} };
    endOnSignal(createLog('test', 'info'), { withinMs: 3_000, end });
    setInterval(() => {}, 60_000);
    console.log('ready');`;
  const started = spawn(process.execPath, ['--input-type=module', '-e', source], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  child = started;
  let output = '';
  started.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  const said = async (word: string) => {
    while (!output.includes(word)) await once(started.stdout, 'data');
  };
  await said('ready');
  const ended = once(started, 'close').then(([code]) => ({
    code,
    lines: output.split('\n').filter((line) => line !== ''),
  }));
  return { said, ended, signal: (name: NodeJS.Signals) => started.kill(name) };
}

const eventsIn = (lines: string[]) =>
  lines
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line))
    .map(({ event, signal, error }) => [event, signal ?? error]);

it('ends with 0 by its own way, once, however many signals come', async () => {
  const program = await start('await new Promise((resolve) => setTimeout(resolve, 500));');
  program.signal('SIGINT');
  await program.said('ending');
  program.signal('SIGTERM');
  const { code, lines } = await program.ended;
  expect(code).toBe(0);
  expect(lines.filter((line) => line === 'ending')).toHaveLength(1);
  expect(eventsIn(lines)).toEqual([['program_stopping', 'SIGINT']]);
});

it.each([
  ['fails to end', "throw new Error('no way out');", 'no way out'],
  ['does not end in time', 'await new Promise(() => {});', 'it did not end within 3000 ms'],
])('ends with 1 and says why when it %s', async (_, end, error) => {
  const program = await start(end);
  program.signal('SIGTERM');
  const { code, lines } = await program.ended;
  expect(code).toBe(1);
  expect(eventsIn(lines)).toEqual([
    ['program_stopping', 'SIGTERM'],
    ['program_failed', error],
  ]);
});
