import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const clone = dirname(import.meta.dirname);

interface Outcome {
  passed: number;
  failed: number;
}

let isStopping = false;
const running = new Set<ReturnType<typeof spawn>>();
// The IPC channel ends when the process that started us is gone, which also happens without any signal.
for (const event of ['SIGINT', 'SIGTERM', 'SIGHUP', 'disconnect']) {
  process.on(event, () => {
    isStopping = true;
    for (const child of running) child.kill('SIGTERM');
  });
}

process.exitCode = await runEverything();
if (process.connected) process.disconnect();

/** Each check is one test; the last line of the output is the sum, alone. */
async function runEverything(): Promise<number> {
  const outcomes = [
    await runSection('Format and lint', () => runCheck('biome', ['check', '--error-on-warnings', '--colors=off', '.'])),
    await runSection('Types', () => runCheck('tsc', ['--noEmit', '--pretty', 'false'])),
    await runSection('Types of the web app', () =>
      runCheck('tsc', ['--noEmit', '--pretty', 'false', '-p', 'apps/web']),
    ),
    await runSection('Dead code', () => runCheck('knip', [])),
    await runSection('Tests', runVitest),
  ];
  const sum = (key: keyof Outcome) => outcomes.reduce((total, outcome) => total + outcome[key], 0);
  console.log(`\n${sum('passed')} passed, ${sum('failed')} failed`);
  return sum('failed') === 0 ? 0 : 1;
}

async function runSection(title: string, run: () => Promise<Outcome>): Promise<Outcome> {
  const started = Date.now();
  console.log(`\n• ${title}`);
  const outcome = await run();
  const seconds = ((Date.now() - started) / 1000).toFixed(1);
  console.log(`${outcome.failed === 0 ? '✓' : '✗'} ${title} (${seconds} s)`);
  return outcome;
}

/** A command that says something only when it fails, and then all of it. */
async function runCheck(command: string, args: string[]): Promise<Outcome> {
  const { output, ok } = await run(command, args, 'collect');
  if (ok) return { passed: 1, failed: 0 };
  console.log(output.trimEnd());
  return { passed: 0, failed: 1 };
}

async function runVitest(): Promise<Outcome> {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-test-'));
  const report = join(folder, 'report.json');
  const figures = join(folder, 'figures.jsonl');
  process.env.MILLRACE_TEST_FIGURES = figures;
  try {
    const { ok } = await run(
      'vitest',
      // Arguments choose test files by part of their path: npm test -- packages/db
      ['run', ...process.argv.slice(2), '--reporter=default', '--reporter=json', `--outputFile.json=${report}`],
      'show',
    );
    printFigures(figures);
    return countTests(readReport(report), ok);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What the tests measured, one line a guarantee. */
function printFigures(file: string): void {
  if (!existsSync(file)) return;
  const lines = readFileSync(file, 'utf8').trim().split('\n').sort();
  const figures = lines.map((line) => JSON.parse(line) as { guarantee: string; measured: string });
  const width = Math.max(...figures.map(({ guarantee }) => guarantee.length));
  console.log('\nMeasured:');
  for (const { guarantee, measured } of figures) console.log(`  ${guarantee.padEnd(width)}  ${measured}`);
}

interface Report {
  numPassedTests: number;
  numFailedTests: number;
  testResults: { status: string; assertionResults: { status: string }[] }[];
}

/** A report that is missing or empty, a file that did not load and an error outside any test all count as a failure. */
function countTests(report: Report | undefined, ok: boolean): Outcome {
  if (!report) return { passed: 0, failed: 1 };
  const passed = report.numPassedTests;
  const brokenFiles = report.testResults.filter(
    ({ status, assertionResults }) => status === 'failed' && assertionResults.every((test) => test.status !== 'failed'),
  ).length;
  const failed = report.numFailedTests + brokenFiles;
  const isUnexplained = failed === 0 && (!ok || passed === 0);
  return { passed, failed: isUnexplained ? 1 : failed };
}

function readReport(file: string): Report | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Report;
  } catch {
    return undefined;
  }
}

function run(command: string, args: string[], mode: 'show' | 'collect'): Promise<{ output: string; ok: boolean }> {
  if (isStopping) return Promise.resolve({ output: 'Not run: stopped.', ok: false });
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: clone,
      stdio: mode === 'show' ? ['ignore', 'inherit', 'inherit'] : ['ignore', 'pipe', 'pipe'],
    });
    running.add(child);
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => (output += text));
    child.on('error', (error) => resolve({ output: error.message, ok: false }));
    child.on('close', (code) => {
      running.delete(child);
      resolve({ output, ok: code === 0 });
    });
  });
}
