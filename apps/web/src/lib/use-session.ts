'use client';
import { useSyncExternalStore } from 'react';
import { readSession, readUnknownSession, type SessionState, subscribeToSession } from './session.ts';

export function useSession(): SessionState {
  return useSyncExternalStore(subscribeToSession, readSession, readUnknownSession);
}
