import { Skeleton } from '../../ui/surfaces.tsx';

export function CanvasSkeleton() {
  return (
    <div role="status" aria-label="Loading the canvas" className="h-full p-3">
      <Skeleton className="h-full w-full rounded-lg" />
    </div>
  );
}
