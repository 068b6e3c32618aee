/** Longer keys are computed every time: what they lead to could fill the memory of the process. */
const MAX_KEY_LENGTH = 1024;

/**
 * Remembers the results of a pure function for the `capacity` most recently used keys. Only for functions whose result
 * depends on nothing but the key: the cache is shared by every organization in the process.
 */
export function rememberRecent<T>(capacity: number, compute: (key: string) => T): (key: string) => T {
  const entries = new Map<string, T>();
  return (key) => {
    const known = entries.get(key);
    if (known !== undefined) {
      entries.delete(key);
      entries.set(key, known);
      return known;
    }
    const value = compute(key);
    if (key.length > MAX_KEY_LENGTH) {
      return value;
    }
    entries.set(key, value);
    if (entries.size > capacity) {
      const [oldest] = entries.keys();
      entries.delete(oldest ?? key);
    }
    return value;
  };
}
