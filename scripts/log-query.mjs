#!/usr/bin/env node
/**
 * Counts one event in JSON log lines, in files or standard input. Needs Node.js and nothing else, so that runbooks work
 * wherever the platform does. Lines that are no JSON are skipped.
 *
 *   node scripts/log-query.mjs <event> [--by field,field] [--since 24h] [--until 1h] [--top 20] [file ...]
 *
 * Prints the number of events; with --by one line a group, the most frequent first: the number and the fields, separated
 * by tabs, ids in paths replaced by :id. --since and --until are ages (90s, 15m, 24h, 7d) or ISO times.
 */
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';

const UNIT_MS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const UUID = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/gi;

try {
  await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}

async function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      by: { type: 'string' },
      since: { type: 'string' },
      until: { type: 'string' },
      top: { type: 'string', default: '20' },
    },
  });
  const [event, ...files] = positionals;
  if (!event)
    throw new Error('Name an event: node scripts/log-query.mjs <event> [--by field,field] [--since 24h] [file ...]');
  const from = readTime(values.since, Number.NEGATIVE_INFINITY);
  const to = readTime(values.until, Number.POSITIVE_INFINITY);
  const fields = values.by?.split(',') ?? [];
  const counts = new Map();
  for await (const entry of readEntries(files)) {
    const time = Date.parse(entry.time);
    if (entry.event !== event || time < from || time >= to) continue;
    const group = fields.map((field) => show(field, entry[field])).join('\t');
    counts.set(group, (counts.get(group) ?? 0) + 1);
  }
  if (fields.length === 0) return console.log(counts.get('') ?? 0);
  const groups = [...counts].sort(([, a], [, b]) => b - a).slice(0, Number(values.top));
  for (const [group, count] of groups) console.log(`${count}\t${group}`);
}

async function* readEntries(files) {
  const inputs = files.length > 0 ? files.map((file) => createReadStream(file)) : [process.stdin];
  for (const input of inputs) {
    for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
      const entry = parse(line);
      if (typeof entry === 'object' && entry !== null) yield entry;
    }
  }
}

function parse(line) {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

/** An age counts back from now. */
function readTime(text, otherwise) {
  if (text === undefined) return otherwise;
  const [, amount, unit] = /^(\d+)([smhd])$/.exec(text) ?? [];
  const time = unit ? Date.now() - Number(amount) * UNIT_MS[unit] : Date.parse(text);
  if (Number.isNaN(time)) throw new Error(`"${text}" is neither an age like 24h nor a time like 2026-01-31T12:00:00Z.`);
  return time;
}

/** Tabs and line breaks in a value must not look like the table's own. */
function show(field, value) {
  const text = String(value ?? '-').replace(/\s/g, ' ');
  return field === 'path' ? text.replace(UUID, ':id') : text;
}
