'use client';
import type { Standing } from '@millrace/shared/contracts/runs';
import { Countdown } from '../../ui/countdown.tsx';
import { Notice } from '../../ui/surfaces.tsx';
import { sayStanding } from './say-standing.ts';

/** Why a run is not moving, and when it goes on by itself. */
export function StandingNotice({ standing }: { standing: Standing }) {
  const words = sayStanding(standing);
  if (!words) return null;
  const { title, tone, message } = words;
  return (
    <Notice tone={tone}>
      <strong className="font-semibold">{title}</strong>
      {message === null && standing.until ? (
        <>
          {/* A countdown is no news each second. */}
          <span aria-live="off">
            {' '}
            <Countdown to={standing.until} />
          </span>
          {standing.stepIds.length > 0 ? ` (${standing.stepIds.join(', ')})` : null}
        </>
      ) : (
        <> · {message}</>
      )}
    </Notice>
  );
}
