/** Progress at the terminal: one line per stage. Without a terminal (a pipe, CI) nothing but plain lines. */
export interface Progress {
  /** Runs one stage and prints what it answers with how long it took. */
  stage: <T>(name: string, run: () => Promise<T>, describe: (result: T) => string) => Promise<T>;
  say: (line: string) => void;
}

export function createProgress(out: NodeJS.WriteStream): Progress {
  // What is going on right now; on a terminal it is overwritten by the next line.
  let current = '';
  const clear = () => (out.isTTY && current !== '' ? '\r\u001b[2K' : '');
  const print = (line: string) => out.write(`${clear()}${line}\n`);
  const show = (name: string) => {
    current = name;
    if (out.isTTY && name !== '') out.write(`• ${name} …`);
  };
  return {
    say: (line) => {
      const name = current;
      print(`  ${line}`);
      show(name);
    },
    stage: async (name, run, describe) => {
      const started = Date.now();
      show(name);
      try {
        const result = await run();
        print(`✓ ${describe(result)} (${((Date.now() - started) / 1000).toFixed(1)} s)`);
        return result;
      } catch (error) {
        print(`✗ ${name}`);
        throw error;
      } finally {
        show('');
      }
    },
  };
}
