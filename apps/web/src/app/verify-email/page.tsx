import type { Metadata } from 'next';
import { VerifyEmail } from '../../features/auth/verify-email.tsx';

export const metadata: Metadata = { title: 'Confirm your address' };

export default function VerifyEmailPage() {
  return <VerifyEmail />;
}
