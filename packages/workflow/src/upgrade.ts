import { isRecord } from './json.ts';

type Document = Readonly<Record<string, unknown>>;

/**
 * One step of the language: how a document of the version `from` is written in `to`. Pure, and it changes nothing of what it is
 * given. A draft may hold anything, so it leaves alone what it does not know.
 */
export type Upgrade = {
  readonly from: string;
  readonly to: string;
  readonly upgrade: (document: Document) => Document;
};

/** From each version that was ever stored to the next, oldest first. None yet: "v2" is the first that was. */
const UPGRADES: readonly Upgrade[] = [];

/**
 * The document as the newest version of the language writes it. To be called by whoever reads a stored document, draft or
 * published; what is stored stays as it is, so a published version never changes. Any other value is answered as it is:
 * `validateDefinition` judges it. Not for SQL that looks into documents: an upgrade that moves what it looks for brings a
 * migration.
 */
export function upgradeDocument(stored: unknown, upgrades = UPGRADES): unknown {
  let document = stored;
  for (const { from, to, upgrade } of upgrades) {
    if (isRecord(document) && document.version === from) {
      document = { ...upgrade(document), version: to };
    }
  }
  return document;
}
