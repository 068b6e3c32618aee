import type { Metadata } from 'next';
import { Variables } from '../../../../features/variables/variables.tsx';

export const metadata: Metadata = { title: 'Variables' };

export default function VariablesPage() {
  return <Variables />;
}
