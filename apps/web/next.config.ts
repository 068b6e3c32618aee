import type { NextConfig } from 'next';

export default {
  // Our server (src/main.ts) sets every header and stands in front of each request.
  poweredByHeader: false,
  transpilePackages: ['@millrace/shared', '@millrace/workflow'],
  images: { unoptimized: true },
  // `npm run check` checks types and lint of the whole tree, with the project's own compiler.
  typescript: { ignoreBuildErrors: true },
  devIndicators: false,
} satisfies NextConfig;
