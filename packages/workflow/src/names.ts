/** The names every expression knows, without their `$`. */
export const ROOT_NAMES: ReadonlySet<string> = new Set(['trigger', 'steps', 'run', 'constants', 'vars']);
