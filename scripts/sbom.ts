import { dirname } from 'node:path';
import { readBillOfMaterials } from './supply/bill-of-materials.ts';

/** Prints the bill of materials of what runs in production (CycloneDX): `npm run --silent sbom > sbom.json`. */
const bill = await readBillOfMaterials(dirname(import.meta.dirname));
process.stdout.write(`${JSON.stringify(bill, null, 2)}\n`);
