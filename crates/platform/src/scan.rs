//! Pages of lists of which many rows may not be what is asked for: a request looks at so many, and the next page goes on from there.

/// How far one request looks.
#[derive(Debug, Clone, Copy)]
pub struct BoundedScan {
    /// Rows at a time.
    pub part: usize,
    /// Rows in all.
    pub most: usize,
}

impl BoundedScan {
    /// Reads what comes behind `after`, in parts, and keeps what `fits`: at most `limit`, or fewer where most does not fit; and the
    /// place from which to go on, if there may be more.
    ///
    /// # Errors
    /// As `read`, which gets where to go on, and how many rows it may give.
    pub async fn page<T, K, E, R>(
        self,
        limit: usize,
        after: Option<K>,
        read: impl Fn(Option<K>, i64) -> R,
        place: impl Fn(&T) -> K,
        fits: impl Fn(&T) -> bool,
    ) -> Result<(Vec<T>, Option<K>), E>
    where
        K: Copy,
        R: Future<Output = Result<Vec<T>, E>>,
    {
        let (mut found, mut after): (Vec<T>, _) = (Vec::new(), after);
        for _ in 0..self.most.div_ceil(self.part) {
            let looked = read(after, i64::try_from(self.part).unwrap_or(i64::MAX)).await?;
            let is_end = looked.len() < self.part;
            for row in looked {
                after = Some(place(&row));
                if !fits(&row) {
                    continue;
                }
                // One more than asked for tells that there are more.
                if found.len() == limit {
                    let last = found.last().map(&place);
                    return Ok((found, last));
                }
                found.push(row);
            }
            if is_end {
                return Ok((found, None));
            }
        }
        Ok((found, after))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCAN: BoundedScan = BoundedScan { part: 10, most: 30 };

    /// The numbers from 1 to 100 behind a place, and how often they were asked for.
    async fn page(limit: usize, after: Option<u32>, fits: fn(&u32) -> bool) -> (Vec<u32>, Option<u32>, u32) {
        let reads = std::cell::Cell::new(0);
        let read = |after: Option<u32>, count: i64| {
            reads.set(reads.get() + 1);
            let behind = after.unwrap_or(0) + 1..=100;
            std::future::ready(Ok::<_, ()>(behind.take(count as usize).collect()))
        };
        let (found, next) = SCAN.page(limit, after, read, |row| *row, fits).await.unwrap();
        (found, next, reads.get())
    }

    #[tokio::test]
    async fn pages_are_full_where_rows_fit_and_bounded_where_they_do_not() {
        assert_eq!(page(3, None, |_| true).await, (vec![1, 2, 3], Some(3), 1));
        assert_eq!(page(3, None, |row| row % 7 == 0).await, (vec![7, 14, 21], Some(21), 3));
        assert_eq!(page(3, None, |row| *row == 50).await, (vec![], Some(30), 3), "it has looked far enough");
        assert_eq!(page(3, Some(30), |row| *row == 50).await, (vec![50], Some(60), 3));
        assert_eq!(page(3, Some(95), |_| true).await, (vec![96, 97, 98], Some(98), 1));
        assert_eq!(page(3, Some(97), |_| true).await, (vec![98, 99, 100], None, 1), "the last page says so");
    }
}
