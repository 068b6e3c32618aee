'use client';
import { type QueryKey, useInfiniteQuery } from '@tanstack/react-query';

interface PageSettings<Page, Item> {
  key: QueryKey;
  read: (cursor: string | undefined, signal: AbortSignal) => Promise<Page>;
  items: (page: Page) => Item[];
  refetchEveryMs?: number;
}

/** A list that goes on behind a cursor: everything read so far, and a way to the next page. */
export function usePages<Page extends { nextCursor: string | null }, Item>(settings: PageSettings<Page, Item>) {
  const query = useInfiniteQuery({
    queryKey: settings.key,
    queryFn: ({ pageParam, signal }) => settings.read(pageParam, signal),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page: Page) => page.nextCursor ?? undefined,
    refetchInterval: settings.refetchEveryMs ?? false,
  });
  return {
    items: query.data?.pages.flatMap(settings.items),
    error: query.data ? null : query.error,
    retry: () => void query.refetch(),
    hasMore: query.hasNextPage,
    isReadingMore: query.isFetchingNextPage,
    readMore: () => void query.fetchNextPage(),
  };
}
