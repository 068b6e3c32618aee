import { type Matcher, RE2JS } from 're2js';

/** The part of `RegExp` that JSONata uses: `exec` from `lastIndex`, advancing it. */
type LinearRegExp = {
  lastIndex: number;
  readonly source: string;
  exec(text: string): (Array<string | null> & { index: number }) | null;
};

/**
 * A stand-in for `RegExp` whose matching time grows linearly with the text (RE2): a backtracking engine cannot be
 * interrupted, and 28 characters can hold it for 15 seconds. Look-around and back references do not exist in RE2;
 * compiling such a pattern throws.
 */
export function createLinearRegExp(pattern: RegExp): LinearRegExp {
  const compiled = compileLinear(pattern);
  let matcher: Matcher | undefined;
  let matched: string | undefined;
  return {
    lastIndex: 0,
    source: pattern.source,
    exec(text) {
      if (matcher === undefined || matched !== text) {
        matcher = compiled.matcher(text);
        matched = text;
      }
      if (this.lastIndex > text.length || !matcher.find(this.lastIndex)) {
        this.lastIndex = 0;
        return null;
      }
      this.lastIndex = matcher.end();
      const current = matcher;
      const groups = Array.from({ length: matcher.groupCount() + 1 }, (_, group) => current.group(group));
      return Object.assign(groups, { index: matcher.start() });
    },
  };
}

/** Throws when RE2 cannot run the pattern. */
export function compileLinear(pattern: RegExp): RE2JS {
  const ignoreCase = pattern.ignoreCase ? RE2JS.CASE_INSENSITIVE : 0;
  const multiline = pattern.multiline ? RE2JS.MULTILINE : 0;
  return RE2JS.compile(RE2JS.translateRegExp(pattern.source), ignoreCase | multiline);
}
