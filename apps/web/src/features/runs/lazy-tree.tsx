'use client';
import dynamic from 'next/dynamic';
import { Skeleton } from '../../ui/surfaces.tsx';

/** The tree of a value. Whoever only looks at how a run goes, or edits, need not load it. */
export const LazyTree = dynamic(() => import('./json-tree.tsx').then((part) => part.JsonTree), {
  ssr: false,
  loading: () => <Skeleton className="h-28 w-full rounded-lg" />,
});
