/** Where a value of a run belongs: to the run itself, or to one of its steps. */
export interface ValuePlace {
  stepId?: string;
  field: 'input' | 'output';
}

/** A file that a value of a run stands for. */
export interface RunFile {
  id: string;
  name: string;
  contentType: string | null;
  sizeBytes: number | null;
}

/** The size of a value that stands elsewhere because it is large; null for one that is there. */
export function largeSizeOf(value: unknown): number | null {
  const mark = fieldOf(value, '$large');
  const size = fieldOf(mark, 'sizeBytes');
  const isMark = typeof size === 'number' && Object.keys(value as object).length === 1;
  return isMark ? size : null;
}

/** The files in a value, each once. */
export function filesIn(value: unknown): RunFile[] {
  const files = new Map<string, RunFile>();
  const look = (it: unknown) => {
    if (typeof it !== 'object' || it === null) return;
    const id = fieldOf(it, '$file');
    if (typeof id === 'string') files.set(id, toFile(id, it));
    else for (const part of Object.values(it)) look(part);
  };
  look(value);
  return [...files.values()];
}

function toFile(id: string, value: object): RunFile {
  const [name, contentType, size] = ['name', 'contentType', 'sizeBytes'].map((field) => fieldOf(value, field));
  return {
    id,
    name: typeof name === 'string' && name !== '' ? name : 'file',
    contentType: typeof contentType === 'string' ? contentType : null,
    sizeBytes: typeof size === 'number' ? size : null,
  };
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? (value as Record<string, unknown>)[name]
    : undefined;
}
