'use client';
import { Failure } from '../../ui/failure.tsx';
import { SkeletonRows } from '../../ui/surfaces.tsx';
import { PlainPage } from '../shell/plain-page.tsx';
import { useHome } from './use-home.ts';

/** Never seen for long: it sends everybody on to where they work. */
export function Home() {
  return (
    <PlainPage>
      <Destination />
    </PlainPage>
  );
}

function Destination() {
  const { error, refetch } = useHome();
  return error ? <Failure error={error} onRetry={refetch} /> : <SkeletonRows count={3} />;
}
