const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Throws a TypeError before any SQL sees a value that is not a UUID. The value itself is not repeated. */
export function assertUuid(value: string, name: string): void {
  if (!UUID.test(value)) throw new TypeError(`${name} is not a UUID`);
}
