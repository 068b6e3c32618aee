/** A piece of JSON text that no JavaScript value stands for: numbers beyond all bounds, brackets nested too deep. */
export class Raw {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/** A value of this name that an earlier answer or request held; `otherwise` while there is none. */
export class Reuse {
  readonly name: string;
  readonly nth: number;
  readonly otherwise: unknown;
  constructor(name: string, nth: number, otherwise: unknown) {
    this.name = name;
    this.nth = nth;
    this.otherwise = otherwise;
  }
}

/** Plain text for a JSON body. */
export function writeJson(value: unknown): string {
  if (value instanceof Raw) return value.text;
  if (Array.isArray(value)) return `[${value.map(writeJson).join(',')}]`;
  if (typeof value === 'object' && value !== null)
    return `{${Object.entries(value)
      .map(([key, item]) => `${JSON.stringify(key)}:${writeJson(item)}`)
      .join(',')}}`;
  return JSON.stringify(value) ?? 'null';
}
