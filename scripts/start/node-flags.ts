const programFlags = (semiSpaceMib: number) => [
  // Without `__proto__` on objects, a key of that name in somebody's JSON is a key like any other, also where a library
  // merges objects carelessly.
  '--disable-proto=delete',
  // V8 lets a heap grow to several times what lives in it before it looks for garbage. These two halve the memory of a busy
  // program for no CPU that could be measured; they limit nothing, so large outputs still have all the heap they need.
  `--max-semi-space-size=${semiSpaceMib}`,
  '--heap-growing-percent=50',
];

/**
 * Node's flags for a program. The web app has none of anybody's JSON on the server, and its framework needs `__proto__`. A worker
 * with fifty runs in hand spends a fifth of its time on young garbage with 8 MiB (bench/README.md).
 */
export function flagsOf(program: string): string[] {
  const name = program.toLowerCase();
  return name === 'web' ? [] : programFlags(name === 'worker' ? 16 : 8);
}

/**
 * What a program's environment has unless the user's has it. Node's threads each take a pool of memory of their own from glibc, and
 * leave what is free in it: with two pools a program is about 10 MiB smaller.
 */
export const PROGRAM_ENV: NodeJS.ProcessEnv = { MALLOC_ARENA_MAX: '2' };
