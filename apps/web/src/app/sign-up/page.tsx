import type { Metadata } from 'next';
import { SignUp } from '../../features/auth/sign-up.tsx';

export const metadata: Metadata = { title: 'Create your account' };

export default function SignUpPage() {
  return <SignUp />;
}
