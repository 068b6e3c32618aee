// Everything here runs before any dependency exists, on whatever Node the machine has: built-ins only, no TypeScript.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const OLDEST_NODE = 20;
/** From this version on, Node runs the project's TypeScript sources without a flag. */
const TYPE_STRIPPING_NODE = 24;
const PARENT_CHECK_MS = 1_000;

const clone = dirname(dirname(fileURLToPath(import.meta.url)));
const modules = join(clone, 'node_modules');
const stampFile = join(modules, '.millrace-installed');

/**
 * Installs the dependencies when they are missing or no longer match package-lock.json, then runs `entry` (a path inside
 * the clone) with the project's own Node and this process's arguments. Never returns: exits with the entry's exit code.
 * SIGINT, SIGTERM and SIGHUP reach the entry, which is expected to treat several within a second as one (a terminal
 * sends Ctrl-C to the whole process group, and npm passes it on a second time).
 */
export async function runWithProjectNode(entry) {
  requireNode();
  const node = await install();
  const child = spawn(node, [join(clone, entry), ...process.argv.slice(2)], {
    cwd: clone,
    env: { ...process.env, PATH: [join(modules, '.bin'), process.env.PATH].filter(Boolean).join(delimiter) },
    // The IPC channel carries no message: its end tells the entry that this process is gone, however it ended.
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
  });
  passSignals(child);
  stopWhenNpmDies(child);
  child.on('error', (error) => fail(`The project's Node could not be started: ${error.message}`));
  child.on('exit', (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
}

function requireNode() {
  const major = Number(process.versions.node.split('.')[0]);
  if (major < OLDEST_NODE) {
    fail(
      `Millrace needs Node ${OLDEST_NODE} or newer to set itself up; this is ${process.version}. See https://nodejs.org.`,
    );
  }
  if (process.platform === 'win32') {
    fail('Millrace does not start on Windows itself. Run it inside WSL 2 (https://learn.microsoft.com/windows/wsl).');
  }
}

async function install() {
  const lock = readFileSync(join(clone, 'package-lock.json'), 'utf8');
  const hash = createHash('sha256').update(lock).digest('hex');
  if (!isInstalled(lock, hash)) {
    const started = Date.now();
    console.log('• Installing dependencies');
    await npmCi();
    console.log(`✓ Dependencies installed (${((Date.now() - started) / 1000).toFixed(1)} s)`);
  }
  if (readText(stampFile) !== hash) writeStamp(hash);
  return projectNode();
}

function isInstalled(lock, hash) {
  if (readText(stampFile) === hash) return true;
  const installed = readText(join(modules, '.package-lock.json'));
  return installed !== undefined && listsSamePackages(JSON.parse(lock).packages, JSON.parse(installed).packages);
}

/** npm writes its own record of a finished install; this spares a reinstall when somebody ran npm by hand. */
function listsSamePackages(wanted, installed) {
  const isPackage = ([path]) => path.includes('node_modules/');
  const isThere = ([path, { version, optional }]) =>
    path in installed ? installed[path].version === version : optional === true;
  return (
    Object.entries(wanted).filter(isPackage).every(isThere) &&
    Object.keys(installed).every((path) => path in wanted) &&
    existsSync(join(modules, 'node'))
  );
}

/** A clone whose node_modules cannot be written still runs; it only compares the package lists again next time. */
function writeStamp(hash) {
  try {
    writeFileSync(stampFile, hash);
  } catch {}
}

async function npmCi() {
  const npmCli = process.env.npm_execpath;
  const [command, ...first] = npmCli?.endsWith('npm-cli.js') ? [process.execPath, npmCli] : ['npm'];
  // Development dependencies hold the project's Node and PostgreSQL: they are needed under NODE_ENV=production too.
  const args = [...first, 'ci', '--include=dev', '--loglevel=error', '--no-fund', '--no-audit', '--no-progress'];
  const child = spawn(command, args, { cwd: clone, stdio: ['ignore', 'ignore', 'pipe'] });
  let complaints = '';
  child.stderr.on('data', (chunk) => {
    complaints += chunk;
  });
  const outcome = await new Promise((resolve) => {
    child.on('error', (error) => resolve(error.message));
    child.on('close', (code, signal) =>
      resolve(code === 0 ? undefined : `npm ci ended with ${signal ?? `code ${code}`}`),
    );
  });
  if (outcome !== undefined) fail(`${complaints.trim()}\n✗ The dependencies could not be installed: ${outcome}.`);
}

/** The project's Node if it runs here (it is built for glibc), else this one if it is new enough. */
function projectNode() {
  const bundled = join(modules, 'node', 'bin', 'node');
  if (spawnSync(bundled, ['--version'], { stdio: 'ignore' }).status === 0) return bundled;
  if (Number(process.versions.node.split('.')[0]) >= TYPE_STRIPPING_NODE) return process.execPath;
  return fail(
    `The project's Node (${bundled}) does not run on this machine; use Node ${TYPE_STRIPPING_NODE} or newer.`,
  );
}

function passSignals(child) {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
}

/** npm killed with SIGKILL cannot pass that on; without this, everything it started would stay behind unseen. */
function stopWhenNpmDies(child) {
  if (process.env.npm_lifecycle_event === undefined) return;
  const parent = process.ppid;
  setInterval(() => process.ppid !== parent && child.kill('SIGTERM'), PARENT_CHECK_MS).unref();
}

function readText(file) {
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined;
}

function fail(sentence) {
  console.error(sentence);
  process.exit(1);
}
