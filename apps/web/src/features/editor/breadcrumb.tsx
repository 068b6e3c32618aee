'use client';
import { useEditorTools } from './editor-context.tsx';
import { PlaceCrumbs } from './place-crumbs.tsx';
import { crumbsTo } from './places.ts';

/** The way to the part of the document that is edited. */
export function Breadcrumb() {
  const { document, session, store } = useEditorTools();
  return (
    <PlaceCrumbs
      crumbs={crumbsTo(document, session.place)}
      hasOther
      onOpen={(place) => store.session({ type: 'open', place })}
    />
  );
}
