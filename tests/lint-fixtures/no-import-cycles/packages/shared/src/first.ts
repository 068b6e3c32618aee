import { SECOND } from './second.ts';

export const FIRST = () => SECOND;
