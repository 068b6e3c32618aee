'use client';
import { type ComponentProps, cloneElement, createContext, type ReactElement, type ReactNode, useContext } from 'react';
import { type MenuParts, useMenuParts } from './use-menu-parts.ts';

const PartsContext = createContext<MenuParts | null>(null);

interface MenuProps {
  trigger: ReactElement<ComponentProps<'button'>>;
  align?: 'start' | 'end';
  children: ReactNode;
}

/** `trigger` is one button; arrow keys, Escape and first letters work as in any menu. */
export function Menu({ trigger, align = 'end', children }: MenuProps) {
  const { parts, trigger: props, button } = useMenuParts();
  if (!parts) return cloneElement(trigger, props);
  return (
    <PartsContext value={parts}>
      <parts.Frame align={align} trigger={cloneElement(trigger, { ref: button })}>
        {children}
      </parts.Frame>
    </PartsContext>
  );
}

export function MenuItem(props: ComponentProps<MenuParts['Item']>) {
  const parts = useContext(PartsContext);
  return parts ? <parts.Item {...props} /> : null;
}

export function MenuLabel(props: ComponentProps<MenuParts['Label']>) {
  const parts = useContext(PartsContext);
  return parts ? <parts.Label {...props} /> : null;
}

export function MenuSeparator() {
  const parts = useContext(PartsContext);
  return parts ? <parts.Separator /> : null;
}
