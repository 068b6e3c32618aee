import { z } from 'zod';
import { Redis } from 'ioredis';

export const BOTH = [z, Redis];
