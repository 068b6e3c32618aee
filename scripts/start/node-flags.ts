const PROGRAM_FLAGS = [
  // Without `__proto__` on objects, a key of that name in somebody's JSON is a key like any other, also where a library
  // merges objects carelessly.
  '--disable-proto=delete',
  // V8 lets a heap grow to several times what lives in it before it looks for garbage. These two halve the memory of a busy
  // program for no CPU that could be measured; they limit nothing, so large outputs still have all the heap they need.
  '--max-semi-space-size=8',
  '--heap-growing-percent=50',
];

/** Node's flags for a program. The web app has none of anybody's JSON on the server, and its framework needs `__proto__`. */
export function flagsOf(program: string): string[] {
  return program.toLowerCase() === 'web' ? [] : PROGRAM_FLAGS;
}
