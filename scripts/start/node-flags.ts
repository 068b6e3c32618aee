/**
 * Node's flags for the API and the worker: without `__proto__` on objects, a key of that name in somebody's JSON is a key
 * like any other, also where a library merges objects carelessly.
 */
const PROGRAM_FLAGS = ['--disable-proto=delete'];

/** The web app has none of anybody's JSON on the server, and its framework needs `__proto__`. */
export function flagsOf(program: string): string[] {
  return program.toLowerCase() === 'web' ? [] : PROGRAM_FLAGS;
}
