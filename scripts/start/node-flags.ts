/**
 * Node's flags for the API and the worker: without `__proto__` on objects, a key of that name in somebody's JSON is a key
 * like any other, also where a library merges objects carelessly.
 */
export const PROGRAM_FLAGS = ['--disable-proto=delete'];
