const LONGEST = 50;
const SHORTEST = 3;

/** A slug made from a name: letters without their accents, everything else a hyphen; short names get a tail. */
export function proposeSlug(name: string): string {
  const plain = name
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, LONGEST)
    .replace(/-+$/, '');
  if (plain === '') return '';
  return plain.length < SHORTEST ? `${plain}-org` : plain;
}
