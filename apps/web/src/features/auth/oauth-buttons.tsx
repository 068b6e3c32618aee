'use client';
import { buttonClasses } from '../../ui/button.tsx';
import { ProviderMark } from './provider-mark.tsx';
import { useProviders } from './use-providers.ts';

export function OAuthButtons({ returnTo }: { returnTo: string }) {
  const providers = useProviders(returnTo);
  if (providers.length === 0) return null;
  return (
    <div className="grid gap-4">
      {providers.map(({ provider, name, href }) => (
        // The API answers with a redirect to the provider, so the browser has to go there itself.
        <a key={provider} href={href} className={buttonClasses({ look: 'secondary' })}>
          <ProviderMark provider={provider} />
          Continue with {name}
        </a>
      ))}
      <div className="flex items-center gap-3 text-xs text-muted">
        <span className="h-px flex-1 bg-line" />
        or with your e-mail address
        <span className="h-px flex-1 bg-line" />
      </div>
    </div>
  );
}
