'use client';
import { CloudOff } from 'lucide-react';
import { sayError } from '../lib/say-error.ts';
import { Button } from './button.tsx';
import { EmptyState } from './surfaces.tsx';

/** In the place of what could not be loaded. */
export function Failure({ error, onRetry }: { error: unknown; onRetry?: () => void }) {
  return (
    <div role="alert">
      <EmptyState icon={CloudOff} title="This could not be loaded">
        <p>{sayError(error)}</p>
        {onRetry ? (
          <Button look="secondary" size="sm" onClick={onRetry}>
            Try again
          </Button>
        ) : null}
      </EmptyState>
    </div>
  );
}
