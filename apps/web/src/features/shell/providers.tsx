'use client';
import { QueryClientProvider } from '@tanstack/react-query';
import { setNonce } from 'get-nonce';
import { type ReactNode, useState } from 'react';
import { pageNonce } from '../../lib/page-nonce.ts';
import { Toasts } from '../../ui/toasts.tsx';
import { createQueryClient } from './query-client.ts';

// Dialogs keep the page behind them from scrolling by a style of their own.
if (typeof document !== 'undefined') setNonce(pageNonce());

export function Providers({ children }: { children: ReactNode }) {
  const [client] = useState(createQueryClient);
  return (
    <QueryClientProvider client={client}>
      {children}
      <Toasts />
    </QueryClientProvider>
  );
}
