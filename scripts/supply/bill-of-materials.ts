import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** A CycloneDX document, as far as it is read here. */
export interface BillOfMaterials {
  components: { 'bom-ref': string; purl: string; hashes?: unknown[]; properties?: { name: string; value: string }[] }[];
  dependencies: { ref: string; dependsOn?: string[] }[];
}

/**
 * Every package that runs in production, from the lock file alone: nothing has to be installed and nothing is asked over the
 * network. npm's own `--omit dev` also leaves out what a workspace needs in production as soon as the root uses it for
 * development, so everything is listed first and what serves development only is taken out here.
 */
export async function readBillOfMaterials(root: string): Promise<BillOfMaterials> {
  const args = ['sbom', '--sbom-format', 'cyclonedx', '--package-lock-only', '--offline'];
  const { stdout } = await promisify(execFile)('npm', args, { cwd: root, maxBuffer: 64 * 1024 * 1024 });
  const all = JSON.parse(stdout) as BillOfMaterials;
  const components = all.components.filter(({ properties = [] }) => !properties.some(isDevelopment));
  const refs = new Set(components.map((component) => component['bom-ref']));
  const dependencies = all.dependencies
    .filter(({ ref }) => refs.has(ref))
    .map(({ ref, dependsOn = [] }) => ({ ref, dependsOn: dependsOn.filter((other) => refs.has(other)) }));
  return { ...all, components, dependencies };
}

function isDevelopment({ name, value }: { name: string; value: string }): boolean {
  return name === 'cdx:npm:package:development' && value === 'true';
}
